while line = STDIN.gets do puts "#{$.}: #{line.chomp.reverse}" end; p gets rescue p $!.class
