// `node produce.mjs URL COUNT`: the official idempotent producer makes a JSON stream, appends {n: 0}, {n: 1}, ... and closes it.
// For each hundred that it has handed over it writes a line {handed}; each error that is not mended is {error}.
import { DurableStream, IdempotentProducer } from "@durable-streams/client"

const [url, count] = process.argv.slice(2)
const tell = (data) => process.stdout.write(JSON.stringify(data) + "\n")
const backoffOptions = { initialDelay: 20, maxDelay: 200, multiplier: 1.3 } // the default waits up to a minute
const headers = { Authorization: `Bearer ${process.env.TOKEN}` }

// The producer leaves it to its fetch to try again what did not arrive, or whose answer was lost; the server knows it again.
async function persistent(...request) {
  for (;;) {
    try {
      return await fetch(...request)
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

const stream = await DurableStream.create({ url, headers, contentType: "application/json", backoffOptions })
const onError = (error) => tell({ error: String(error) })
const producer = new IdempotentProducer(stream, "numbers", { fetch: persistent, onError })
for (let n = 0; n < Number(count); n++) {
  producer.append(JSON.stringify({ n }))
  if (n % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 5))
  if (n % 100 === 99) tell({ handed: n + 1 })
}
await producer.close()
tell({ closed: true })
