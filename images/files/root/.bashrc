# The system-wide file has it all; dropbear's login shells and plain ones both come by here.
. /etc/bash.bashrc
