// Compiled only: what is typed as any, or has lost a field, fails.
import type { components, operations, paths } from "./api";

type Schemas = components["schemas"];
type Json<O extends keyof operations> = operations[O]["responses"][200] extends {
  content: { "application/json": infer T };
}
  ? T
  : never;

export const nobody: Schemas["Push"] = { to: { uids: [] }, text: "hello" };
export const kick: Schemas["Kick"] = { to: { uids: ["ann"] }, exclude: { client_ids: ["c-1"] }, code: 4000 };
export const session: Schemas["Session"] = { seats: [{ until: null }], n: 1.5 };

export const commands: Schemas["Command"][] = [
  { op: "join", uids: ["ann"], groups: ["red"] },
  { op: "unbind", uids: [] },
];

export function joined(command: Schemas["Command"]): string[] {
  return command.op === "join" ? command.groups : [];
}

export function matched(answer: Json<"push">): number {
  return answer.matched;
}

export function lines(
  text: paths["/v1/clients"]["get"]["responses"][200]["content"]["application/x-ndjson"],
): Schemas["ClientRow"][] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// @ts-expect-error there is no such field
export const mistyped: Schemas["Push"] = { to: { uid: ["ann"] }, text: "hello" };
