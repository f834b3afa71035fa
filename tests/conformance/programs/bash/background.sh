(sleep 0.05; echo second) & echo first; wait; echo third; coproc cat; echo x >&"${COPROC[1]}"; read -r y <&"${COPROC[0]}"; echo "$y"
