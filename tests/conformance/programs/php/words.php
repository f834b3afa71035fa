<?php $words = array_count_values(preg_split("/\s+/", trim(stream_get_contents(STDIN)))); arsort($words); ksort($words); print_r(array_slice($words, 0, 3)); print_r(array_slice($argv, 1));
