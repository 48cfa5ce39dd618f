"""`python -m swarm_daemon`: the daemon of one run; see main.main."""

from swarm_daemon.main import main

if __name__ == "__main__":
    main()
