puts "before"; def f = raise(ArgumentError, "no"); f
