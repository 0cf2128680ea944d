"""Makes the calls of a file of jobs and prints a line with the outcome of each.

e2e/clientvectors_test.go runs it: python3 vectors.py sync|asyncio JOBS
"""

import asyncio
import base64
import inspect
import json
import pathlib
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import castgate  # noqa: E402


def client(cls, job):
    o = dict(job["options"] or {})
    if "ca" in o:
        o["tls"] = ssl.create_default_context(cafile=o.pop("ca"))
        if "cert" in o:
            o["tls"].load_cert_chain(o.pop("cert"), o.pop("cert_key"))
    return cls(job["address"], job["key"], **o)


def arguments(call, args):
    """The arguments of a call as this client names them."""
    a = dict(args)
    if a.pop("exclusive", None):
        a["kick_old"] = True
    if "to" in a:
        a.update(a.pop("to"))
        a.update({"exclude_" + name: value for name, value in a.pop("exclude", {}).items()})
        a["wait"] = bool(a.pop("wait", False))
        if call == "kick":
            del a["wait"]
        elif "base64" in a:
            a["data"] = base64.b64decode(a.pop("base64"))
    if call == "push_raw":
        a["message"] = a.pop("data") if "data" in a else a.pop("text")
    if call in ("put_session", "patch_session") and "session" in a:
        a["session" if call == "put_session" else "patch"] = a.pop("session")
    if call == "unbind" and "uids" in a:
        return "unbind_uids", a
    return call, a


async def carry_out(gateway, call, args):
    if call == "verify":
        return castgate.verify(args["headers"], args["body"], args["secrets"], args.get("now"))
    if call == "batch":
        batch = gateway.batch()
        for command in args["commands"]:
            name, a = arguments(command["op"], {k: v for k, v in command.items() if k != "op"})
            getattr(batch, name)(**a)
        replies = batch.send()
        if inspect.isawaitable(replies):
            replies = await replies
        return [{"error": failure(r)} if isinstance(r, castgate.CastgateError) else {"value": r} for r in replies]
    name, a = arguments(call, args)
    value = getattr(gateway, name)(**a)
    if inspect.isawaitable(value):
        return await value
    if hasattr(value, "__aiter__"):
        return [row async for row in value]
    return list(value) if hasattr(value, "__next__") else value


def failure(e):
    return {"code": e.code, "status": e.status, "detail": e.detail, "sent": e.sent}


async def main(cls, jobs):
    clients = {}
    for job in jobs:
        await asyncio.sleep(job["pause"] / 1000)
        name = json.dumps([job["address"], job["key"], job["options"]])
        if name not in clients:
            clients[name] = client(cls, job)
        try:
            outcome = {"value": await carry_out(clients[name], job["call"], job["args"])}
        except castgate.CastgateError as e:
            outcome = {"error": failure(e)}
        print(json.dumps({"name": job["name"], **outcome}))


with open(sys.argv[2], encoding="utf-8") as f:
    asyncio.run(main({"sync": castgate.Client, "asyncio": castgate.AsyncClient}[sys.argv[1]], json.load(f)))
