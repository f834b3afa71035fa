echo 'echo it runs' > script
chmod +x script
./script
mkdir directory
stat -L -c '%a %n' script directory /tmp /dev/shm
ls -l script | cut -c1-10
cp script copy; stat -c %a copy
install -m 750 script installed; stat -c %a installed
(umask 077; touch own; stat -c %a own)
umask -S
mktemp -d | xargs stat -c %a
