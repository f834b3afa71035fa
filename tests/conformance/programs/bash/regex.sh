[[ "abc-123" =~ ^([a-z]+)-([0-9]+)$ ]] && echo "${BASH_REMATCH[@]}"; case x in [a-m]) echo low;; *) echo high;; esac; shopt -s extglob; echo "${0##*/}"
