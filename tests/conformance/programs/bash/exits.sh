trap "echo leaving" EXIT; echo before; exit 9
