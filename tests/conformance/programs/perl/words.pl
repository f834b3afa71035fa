my %n; while (<STDIN>) { $n{$_}++ for split } print "$_ $n{$_}\n" for sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n; print "@ARGV\n";
