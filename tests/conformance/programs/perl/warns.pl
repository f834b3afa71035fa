use warnings; my %h = (a => 1); print "line ", __LINE__, " ", ref(\%h), " $0\n"; eval { die "caught" }; print "got: $@"; print exists $h{b} ? 1 : 0, "\n";
