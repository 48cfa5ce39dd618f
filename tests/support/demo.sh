#!/bin/sh
# A tour of the main job on real work: this checkout. Run by `make demo`, in a state directory of its own.
set -eu
SWARM_HOME=$(mktemp -d)
chmod 700 "$SWARM_HOME"
export SWARM_HOME
trap 'swarmctl cancel --all --grace 1s >/dev/null 2>&1 || true; rm -rf "$SWARM_HOME"' EXIT
trap 'exit 1' HUP INT PIPE TERM

say() { printf '\n# %s\n' "$1"; }
run() { printf '$ %s\n' "$*"; "$@"; }

say "Three agents that do real work on this checkout, and one that would run for ever, from a shell that then ends."
sh -eu <<'SHELL'
swarmctl spawn --name lint --label demo=work -- ruff check . >/dev/null
swarmctl spawn --name compile --label demo=work -- python -m compileall -f swarmctl supervisor daemon store >/dev/null
swarmctl spawn --name history --label demo=work -- sh -c \
  'git log --oneline -n 5 | while read -r commit; do echo "$commit"; sleep 0.3; done; echo "no more" >&2; exit 3' >/dev/null
swarmctl spawn --name forever -- sh -c 'while echo still here; do sleep 0.2; done' >/dev/null
SHELL

say "They are daemons now: the shell is gone, they go on. (The quick ones may have ended: --all shows those too.)"
run swarmctl list --all

say "Follow one live, to its end."
run swarmctl logs -f -t history

say "Its status is kept: wait gives it, now or in a year."
printf '$ swarmctl wait history; echo $?\n'
status=0; swarmctl wait history || status=$?; echo "$status"

say "The last words of the others, with their names."
swarmctl wait lint compile || true
run swarmctl logs -n 2 lint compile

say "Kill the daemon of the one that runs for ever, as hard as can be. Its child does not notice."
daemon=$(swarmctl show --json forever | python -c 'import json, sys; print(json.load(sys.stdin)["daemon"]["pid"])')
run kill -9 "$daemon"
run swarmctl list

say "A supervisor (here for once; \`supervisor run\`, or systemd, for good) has a successor take the run over."
run swarmctl supervisor run --once
run swarmctl list
run swarmctl doctor || true

say "Cancel it: TERM to the whole tree, a grace period, KILL. No byte was lost."
run swarmctl cancel --grace 2s forever
run swarmctl logs -n 3 forever

say "Everything that ended, and how."
run swarmctl list --all

say "And the event log, which is the only truth: all of the above is folded from it."
run swarmctl events forever
printf '\nThat was all; %s is removed again.\n' "$SWARM_HOME"
