puts STDIN.read.split.tally.sort_by { |word, n| [-n, word] }.first(3).inspect, ARGV.inspect
