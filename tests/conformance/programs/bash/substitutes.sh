diff <(printf "a\nb\n") <(printf "a\nc\n"); echo $?; x=$(date -u -d @0 +%F); echo "$x"; awk "BEGIN { print 7 / 2 }"; seq 5 | paste -sd+ | tr + " "
