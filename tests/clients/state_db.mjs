// `node state_db.mjs URL`: the official StreamDB of a State Protocol stream of agents, with all its defaults.
// For each change that comes it writes a line {key, operation}; for each line on stdin, all its rows: {rows}.
import { createInterface } from "node:readline"
import { createStateSchema } from "@durable-streams/state"
import { createStreamDB } from "@durable-streams/state/db"

const [url] = process.argv.slice(2)
const anything = { "~standard": { version: 1, vendor: "swarmctl", validate: (value) => ({ value }) } }
const tell = (data) => process.stdout.write(JSON.stringify(data) + "\n")

const db = createStreamDB({
  streamOptions: { url, contentType: "application/json", headers: { Authorization: `Bearer ${process.env.TOKEN}` } },
  state: createStateSchema({ agents: { schema: anything, type: "agent", primaryKey: "id" } }),
  onEvent: (event) => tell({ key: event.key, operation: event.headers.operation }),
})
await db.preload()
tell({ ready: true })
for await (const _ of createInterface({ input: process.stdin })) tell({ rows: db.collections.agents.toArray })
db.close()
