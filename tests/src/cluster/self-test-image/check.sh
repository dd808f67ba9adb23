# What a pod of the local cluster can rely on. Ends with an error at the first thing that is not so.
set -eux
test "$(id -u):$(id -g)" = 2001:2000
# A user namespace of its own: root in here is somebody else out there.
read -r inside outside count < /proc/self/uid_map
test "$inside" = 0 && test "$outside" -gt 65535 && test "$count" -ge 65536
getent hosts web.self-test.svc.cluster.local
exec 3<>/dev/tcp/kubernetes.default.svc/443
exec 4<>/dev/tcp/web.self-test.svc.cluster.local/80
printf 'GET /from-pod HTTP/1.0\r\n\r\n' >&4
grep -q 'from the volume' <&4
exec 5<>/dev/tcp/outside.example/8099
grep -q 'from outside' <&5
# Other names of the world end at once.
SECONDS=0
! getent hosts nothing.example.org
test "$SECONDS" -le 2
touch /work/file
test "$(stat -c %g /work/file)" = 2000
! touch /file
test -s /built
