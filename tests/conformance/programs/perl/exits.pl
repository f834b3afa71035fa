END { print "leaving\n" } print "before\n"; exit 5;
