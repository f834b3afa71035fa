$stdout.sync = true # what is written is handed on at once
