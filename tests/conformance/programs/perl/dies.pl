use strict; use warnings; print "before\n"; my $x = undef; die { code => 1 } if 0; die "no\n";
