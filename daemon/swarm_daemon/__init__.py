"""The shim of one run: starts the child, carries its output into the log, obeys its inbox, outlives everybody.

process   who a process is; signals only to one that is provably meant
tree      all processes of a run, those that ran away into their own sessions too
run       the files of one run: FIFOs, journals, lock, exit record, and how to start it
keeper    what is left of a run when its daemon is killed
holder    what keeps the input of a run open when its daemon is killed
child     the child, up to its exec
terminal  how the child gets a terminal, if it is to have one; terminal_host.py holds it
output    from the child's stdout and stderr through a journal to the log
input     from the inbox to the child's stdin
ending    TERM, grace, KILL, until the tree is gone
watch     how the child ended, from whoever is left to tell
agent     the daemon itself: one loop from the child's start to its end
begin     start a run, or adopt one whose daemon died
main      the daemon as a process: arguments, handshake, signals
scope     a systemd scope for a run
cgroup    cgroups as files: a run's own, what limits it, what was killed there
confine   where a run is put, and what enforces its limits
launch    how others start one: detach, shake hands
spawn     how agents are spawned: checked, registered, launched
control   what others ask of agents; signalling.py has whom a signal reaches, and when
"""
