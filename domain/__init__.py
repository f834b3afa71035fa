"""The model of jobs and projects: pure, standard library only, no clock and no I/O."""
