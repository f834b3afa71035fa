at_exit { puts "leaving" }; puts "before"; exit 3
