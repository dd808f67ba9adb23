# A web server in a few lines: writes a file to the volume, answers with it and the line of the request.
use strict;
use warnings;
use IO::Socket::INET;

open(my $out, '>', '/data/file') or die "volume: $!";
print $out "from the volume\n";
close($out);
my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 16, ReuseAddr => 1) or die "listen: $!";
while (1) {
    my $client = $server->accept() or next;
    my $line = <$client>;
    next unless defined $line;
    while (defined(my $header = <$client>)) { last if $header eq "\r\n" }
    open(my $in, '<', '/data/file') or die "volume: $!";
    my $body = <$in> . $line;
    print $client "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    close($client);
}
