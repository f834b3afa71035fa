<?php $m = array_map("strtolower", get_loaded_extensions()); sort($m); echo implode(" ", $m), PHP_EOL; echo php_ini_loaded_file() === false ? "none" : "some", PHP_EOL;
