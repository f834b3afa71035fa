mkdir d; echo hello > d/a; cp d/a d/b; cat d/*; ls d; wc -c < d/a; find . -name "?" -type f | sort; rm -r d; test -e d; echo $?
