sort | tr " " "\n" | sort | uniq -c | sort -rn | head -3; echo "$#: $*"
