# For every interactive shell: a prompt that says where commands run.
[ -n "${PS1-}" ] || return 0
shopt -s checkwinsize

# The namespace's name, or `root` for the one that the guest itself lives in.
netlab_namespace=$(ip netns identify $$ 2>/dev/null)
PS1="${netlab_namespace:-root}"' \w # '
unset netlab_namespace

alias ls='ls --color=auto'
alias ll='ls -l'
alias grep='grep --color=auto'
