while read -r line; do printf "[%s]\n" "$line"; done; echo "${PIPESTATUS[@]}"
