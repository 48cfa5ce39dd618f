// The protocol's own suite against the server at CONFORMANCE_URL, with its opt-in part.
import { runConformanceTests } from "@durable-streams/server-conformance-tests"

runConformanceTests({ baseUrl: process.env.CONFORMANCE_URL, longPollTimeoutMs: 500, subscriptions: true })
