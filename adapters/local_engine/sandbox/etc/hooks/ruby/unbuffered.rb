$stdout.sync = true # flush each write immediately
