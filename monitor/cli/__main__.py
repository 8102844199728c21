"""`python -m monitor.cli`: the command in a process of this interpreter."""

from monitor.cli import main

main()
