// Reads requests that castgate has sent, one JSON object a line: their signatures
// with standardwebhooks, by the secrets in its arguments, and their bodies with
// cloudevents. It prints the type, subject and sequence of each event.
import { readFileSync } from 'node:fs'
import { HTTP } from 'cloudevents'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'

const secrets = process.argv.slice(2)
for (const line of readFileSync(0, 'utf8').trim().split('\n')) {
  const { headers, body } = JSON.parse(line)
  for (const secret of secrets) new Webhook(secret).verify(body, headers)
  for (const [changed, changedHeaders] of [[body + ' ', headers], [body, { ...headers, 'webhook-id': 'x' }]]) {
    try {
      new Webhook(secrets[0]).verify(changed, changedHeaders)
    } catch (error) {
      if (error instanceof WebhookVerificationError) continue
      throw error
    }
    throw new Error('a changed request is taken')
  }
  for (const event of [HTTP.toEvent({ headers, body })].flat()) {
    event.validate()
    console.log(event.type, event.subject, event.sequence)
  }
}
