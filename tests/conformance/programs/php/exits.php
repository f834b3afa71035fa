<?php register_shutdown_function(function () { echo "leaving\n"; }); echo "before\n"; exit(6);
