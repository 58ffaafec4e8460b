"""Hold the programs that call Tillcore from outside: they import `tillcore.v1`, nothing else."""
