#!/bin/sh
# An hour with cms as a new administrator has it: nothing but README, `cms help` and `man cms` was read.
# tests/it/newcomer.rs runs it on a copy of a configuration; each step says what must be seen.
set -eu

# says TEXT COMMAND...: the output of a command holds the text.
says() {
    text=$1
    shift
    seen=$("$@" 2>&1) || { echo "failed ($?): $*: $seen" >&2; exit 1; }
    case $seen in *"$text"*) ;; *) echo "'$text' is not in what '$*' prints: $seen" >&2; exit 1 ;; esac
}
# fails CODE TEXT COMMAND...: a command fails with this exit code, and says this.
fails() {
    code=$1 text=$2
    shift 2
    found=0
    seen=$("$@" 2>&1) || found=$?
    [ "$found" = "$code" ] || { echo "exit code $found and not $code: $*: $seen" >&2; exit 1; }
    case $seen in *"$text"*) ;; *) echo "'$text' is not in what '$*' says: $seen" >&2; exit 1 ;; esac
}

# 1. Where am I? The help names the commands and the topics, and paths the directories.
says "Commands:" cms help
says "Examples:" cms help get
says "firewall.@rule[name=Allow-Ping]" cms help keys
says "EXAMPLES" sh -c 'cms man commit | grep "^.SH"'
says "packages are read from" cms paths
says "in order" cms status

# 2. Look.
says network cms list
says lan cms list network
says 192.168.1.1 cms get network.lan.ipaddr
says "network.lan.ipaddr='192.168.1.1'" cms show network.lan
says ACCEPT cms get 'firewall.@rule[name=Allow-Ping].target'
says network.lan.ipaddr cms search 192.168.1.1
says 1500 cms get --default 1500 network.lan.mtu

# 3. A typing error is answered with what was meant.
fails 2 "did you mean 'commit'?" cms comit
fails 1 "not found" cms get network.lan.ipadr
fails 3 "letters, digits and '_' only" cms set network.lan.na-me=1

# 4. Change: stage, look again, commit with a reason.
cms set network.lan.ipaddr=192.168.7.1
cms add_list network.lan.dns=9.9.9.9
says "network.lan.ipaddr='192.168.7.1'" cms changes
fails 1 "+	option ipaddr '192.168.7.1'	# the printer knows this one" cms diff
cms commit -m "the printer moved"
says "" cms changes
says "the printer moved" cms history network.lan.ipaddr
grep -q "# the printer knows this one" "$CMS_CONFIG_DIR/network"

# 5. A change of mind before the commit, and after it.
cms set network.lan.mtu=9000
cms revert network.lan.mtu
fails 1 "not found" cms get network.lan.mtu
cms undo
says 192.168.1.1 cms get network.lan.ipaddr
cms redo
says 192.168.7.1 cms get network.lan.ipaddr

# 6. A change that could lock me out is taken back unless I confirm it.
cms set network.lan.ipaddr=10.0.0.1
cms commit --confirm 5min
says "network.lan.ipaddr" cms pending
cms confirm
fails 1 "no commit waits" cms pending
says 10.0.0.1 cms get network.lan.ipaddr

# 7. Many changes as one, or none of them.
printf '%s\n' 'set network.guest=interface' 'set network.guest.ipaddr=10.9.0.1' | cms batch -m "a network for guests"
says 10.9.0.1 cms get network.guest.ipaddr
printf '%s\n' 'set network.guest.ipaddr=10.9.9.9' 'set nope.nope.nope=1' > lines
fails 1 "line 2 failed, so nothing is changed" cms batch lines
says 10.9.0.1 cms get network.guest.ipaddr

# 8. Keep a state, break something, go back.
cms snapshot known-good
says known-good cms snapshots
cms delete --commit network.guest
fails 1 "not found" cms get network.guest.ipaddr
cms rollback known-good
says 10.9.0.1 cms get network.guest.ipaddr
says 10.9.0.1 cms get --at known-good network.guest.ipaddr
fails 1 "network.lan.ipaddr" cms diff --keys 2 now

# 9. Take it to another machine, as text and as JSON, and keep a wanted state.
cms export network > network.uci
cms export network --format json > network.json
cms delete --commit network.guest
cms import network ./network.uci
says 10.9.0.1 cms get network.guest.ipaddr
cms apply --check network.json
sed s/10.9.0.1/10.9.0.2/ network.json > wanted.json
fails 1 10.9.0.2 cms apply --check --diff wanted.json
cms apply wanted.json
says 10.9.0.2 cms get network.guest.ipaddr
cms backup everything.cms
cms restore everything.cms

# 10. Automation: the second run changes nothing.
says "changed" cms ensure network.lan.mtu=1400
says "unchanged" cms ensure network.lan.mtu=1400
says '"exit":1' sh -c 'cms --json get network.lan.nope 2>&1 || true'
eval "$(cms get --sh network.lan.ipaddr)"
[ "$network_lan_ipaddr" = 10.0.0.1 ]

# 11. See changes as they happen.
cms watch --count 1 'network.*.mtu' > seen &
sleep 1
cms set --commit network.lan.mtu=1450
wait $!
grep -q "1450" seen

# 12. Somebody edits a file by hand, and makes an error.
printf "config rule\n\toption name 'Allow-DNS\n" >> "$CMS_CONFIG_DIR/firewall"
fails 3 "firewall:" cms validate firewall
fails 3 "hint:" cms set --commit 'firewall.@rule[name=Allow-Ping].enabled=0'
sed -i "s/'Allow-DNS$/'Allow-DNS'/" "$CMS_CONFIG_DIR/firewall"
cms validate firewall
says Allow-DNS cms get 'firewall.@rule[-1].name'
says "Allow-DNS" cms history firewall
says Allow-Ping cms blame firewall
cms fmt firewall

# 13. Is everything in order?
says "as they were written" cms audit verify
says "in order" cms status
says "durability" cms policy
