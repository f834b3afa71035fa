# Makes a test machine of a fresh Debian tree; runs in it, when its packages are installed.
cd /opt/guest

# The project's Python packages, and the project itself where every boot brings it: as it is then, not as it is here.
unset PIP_FIND_LINKS # a directory outside
python3 -m venv /opt/venv
/opt/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock
export UV_SYSTEM_CERTS=true UV_NO_CACHE=true VIRTUAL_ENV=/opt/venv
/opt/venv/bin/uv pip install --quiet --compile-bytecode --require-hashes -r requirements-dev.lock
mkdir -p /host/project
cd /host/project
for package in domain application adapters entrypoints; do
    mkdir "$package"
    touch "$package/__init__.py" # without a file, the build writes no path of the project into the environment
done
cp /opt/guest/pyproject.toml /opt/guest/README.md /opt/guest/LICENSE .
/opt/venv/bin/uv pip install --quiet --no-deps --editable .
rm -r /host/project
cd /opt/guest

# One ordinary user, and a key with which root may log in as everybody.
useradd --create-home --shell /bin/bash user
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for home in /root /home/user; do
    mkdir -p "$home/.ssh"
    cp /root/.ssh/id_ed25519.pub "$home/.ssh/authorized_keys"
done
chown -R user: /home/user/.ssh
for key in /etc/ssh/ssh_host_*_key.pub; do
    echo "localhost $(cat "$key")"
done >/root/.ssh/known_hosts

# A quick boot: nothing that waits for a network, for a time of day or for disks.
echo vm >/etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 vm\n' >/etc/hosts
: >/etc/fstab
mkdir -p /host /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nForwardToConsole=no\n' >/etc/systemd/journald.conf.d/vm.conf
systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer podman-auto-update.timer podman-restart.service podman.socket 2>/dev/null || :
systemctl mask --quiet getty@.service serial-getty@.service systemd-timesyncd.service systemd-firstboot.service
systemctl disable --quiet machines.target systemd-networkd.service 2>/dev/null || :

cp agent.service host.mount /etc/systemd/system/
systemctl enable --quiet agent.service ssh.service

# The kernel with the libraries that it is linked to, where the machine outside starts it.
ln -s uml/modules /usr/lib/modules
depmod "$(ls /usr/lib/modules)"
for file in /usr/bin/linux.uml $(ldd /usr/bin/linux.uml | grep -o '/lib[^ ]*'); do
    mkdir -p "/mnt$(dirname "$file")"
    cp -L "$file" "/mnt$file"
done
mkdir -p /mnt/dev /mnt/proc /mnt/tmp /mnt/share /mnt/image
