"""The benchmarks, in one run: swarmctl beside supervisord, circus and pm2, and the protocol's reference server.

`make bench`; a bar that is missed is shown as such.

__main__    which ones to run, and what becomes of the figures
report      rows with ratios and bars, the machine's facts, the table, docs/benchmarks.md
scene       a scratch directory and every process started in it, ended by verified identity at its end
readings    memory and CPU of a process, as the kernel counts them
install     the peers, each in an environment of its own under .bench/
tools       what a benchmark asks of each tool; swarmctl itself
peers       supervisord, circus and pm2, set up as their documentation recommends for speed
lists       `list` and starting one agent, with 10 and with 500 running
weight      memory of 50 running agents, CPU of 100 idle ones
throughput  a million lines of one agent
latency     from an agent's write to the line in `logs -f`, alone and beside 100 busy agents
writers     64 agents writing at once
supervision the supervisor with 500 agents: memory, idle CPU, starts, deaths
supervised  ...which it runs under a notify socket, and whose log it watches
programs    ...and the programs that say when they begin
serving     `swarmctl serve` beside the Durable Streams reference server
servers     ...which are these two
load        ...and the program that puts the load on them
"""
