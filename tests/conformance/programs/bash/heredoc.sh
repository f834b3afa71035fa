name=world; cat <<END | sed s/o/0/g; printf "%05d %x %q\n" 42 255 "a b"
hello $name $((6*7)) ${name^^} ${#name}
END
