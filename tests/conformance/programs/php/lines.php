<?php while (($line = fgets(STDIN)) !== false) echo strrev(trim($line)), PHP_EOL; var_dump(feof(STDIN));
