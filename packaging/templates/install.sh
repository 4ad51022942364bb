#!/bin/sh
# Installs netlab @VERSION@ for you alone, without root:
#
#   curl -fsSL @REPOSITORY@/releases/latest/download/install.sh | sh
#
# NETLAB_INSTALL_TO names the folder that gets `bin` and `share`, instead of ~/.local; NETLAB_INSTALL_FROM
# another address, or a folder, that has the release's files. Nothing is put in place before its checksum
# is found to be the one that stands here and the program has run; whatever fails before that leaves
# nothing behind.
set -eu

version='@VERSION@'
repository='@REPOSITORY@'
to=${NETLAB_INSTALL_TO:-${HOME:?is not set}/.local}
from=${NETLAB_INSTALL_FROM:-$repository/releases/download/v$version}

# fail WHAT CURE
fail() {
  printf 'netlab was not installed: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

# Prints the target, as releases name it, of the machine that this runs on.
target() {
  build="build it yourself: cargo install --locked --git $repository netlab"
  case $(uname -s) in
    Linux) system=unknown-linux-gnu ;;
    Darwin) system=apple-darwin ;;
    MINGW* | MSYS* | CYGWIN*)
      fail "this installer is for macOS and Linux" \
        "in PowerShell: irm $repository/releases/latest/download/install.ps1 | iex"
      ;;
    *) fail "there is no release for $(uname -s)" "$build" ;;
  esac
  machine=$(uname -m)
  # To a shell that Rosetta translates, a Mac with Apple silicon says that it is an Intel one.
  if [ "$system" = apple-darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
    machine=arm64
  fi
  case $machine in
    x86_64 | amd64) echo "x86_64-$system" ;;
    aarch64 | arm64) echo "aarch64-$system" ;;
    *) fail "there is no release for $(uname -s) on $machine" "$build" ;;
  esac
}

# Prints the checksum of the archive for a target: from here, since whoever alters an archive where it
# lies could alter a file of checksums beside it.
checksum() {
  case $1 in
    x86_64-unknown-linux-gnu) echo '@SHA256 x86_64-unknown-linux-gnu@' ;;
    aarch64-unknown-linux-gnu) echo '@SHA256 aarch64-unknown-linux-gnu@' ;;
    x86_64-apple-darwin) echo '@SHA256 x86_64-apple-darwin@' ;;
    aarch64-apple-darwin) echo '@SHA256 aarch64-apple-darwin@' ;;
  esac
}

# Fetches a file of the release into the work folder.
fetch() {
  case $from in
    *://*)
      if command -v curl >/dev/null; then
        # A redirection must not lead from https to anything weaker. Not every wget can be held to
        # that; where one is led astray, the checksum refuses what it brings.
        curl --fail --location --silent --show-error --retry 2 --proto "=${from%%://*}" \
          --output "$work/$1" "$from/$1"
      elif command -v wget >/dev/null; then
        wget -q -O "$work/$1" "$from/$1"
      else
        fail "there is neither curl nor wget" "install one of them, then run this again"
      fi
      ;;
    *) cp -- "$from/$1" "$work/$1" ;;
  esac || fail "can't fetch $1 from $from" "see the message above, if any; then run this again"
}

# Prints the SHA-256 of a file.
sha256() {
  if command -v sha256sum >/dev/null; then
    sum=$(sha256sum <"$1")
  elif command -v shasum >/dev/null; then
    sum=$(shasum -a 256 <"$1")
  else
    fail "there is neither sha256sum nor shasum" "install one of them, then run this again"
  fi
  printf '%s\n' "${sum%% *}"
}

# Prints the first folder above a path that is there.
ground() {
  ground=$1
  while [ ! -e "$ground" ]; do ground=$(dirname "$ground"); done
  printf '%s\n' "$ground"
}

# Refuses a folder that can't be had or can't be written.
writable() {
  if ! { [ -d "$(ground "$1")" ] && [ -w "$(ground "$1")" ]; }; then
    fail "can't write into $(ground "$1")" "set NETLAB_INSTALL_TO to a folder of your own"
  fi
}

clean_up() {
  [ -z "$work" ] || rm -rf "$work"
  # Of the folders that were made for this, those that nothing was put into.
  if [ -n "$made" ]; then find "$made" -depth -type d -exec rmdir {} \; 2>/dev/null || :; fi
}

main() {
  target=$(target)
  wanted=$(checksum "$target")
  name=netlab-$version-$target
  case $to in /*) ;; *) to=$PWD/$to ;; esac
  writable "$to"
  made=
  if [ ! -e "$to" ]; then
    made=$to
    while [ ! -e "$(dirname "$made")" ]; do made=$(dirname "$made"); done
  fi
  work=$to/.netlab-install-$$
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # Beside what they become: elsewhere the program might not be allowed to run, and a move is no copy.
  mkdir -p "$to"
  # One that is there already is another's, and stays.
  mkdir -m 700 "$work" || {
    work=
    fail "can't make $to/.netlab-install-$$" "see the message above"
  }

  printf 'Fetching %s from %s\n' "$name" "$from"
  fetch "$name.tar.gz"
  found=$(sha256 "$work/$name.tar.gz")
  if [ "$found" != "$wanted" ]; then
    fail "$name.tar.gz has the checksum $found, not $wanted" \
      "it was damaged on its way, or is not ours: run this again, or tell at $repository/issues"
  fi
  # As this user's own, whatever owner it names.
  tar -xzof "$work/$name.tar.gz" -C "$work" || fail "can't unpack $name.tar.gz" "see the message above"
  if [ "$("$work/$name/bin/netlab" --version)" != "netlab $version" ]; then
    fail "the program does not run here" \
      "on Linux it needs the GNU C library of Debian 12, Ubuntu 22.04, Fedora 36 or newer"
  fi

  # All folders are looked at before the first file is put in place.
  (cd "$work/$name" && find bin share -type f) >"$work/files"
  while IFS= read -r file; do
    writable "$to/$(dirname "$file")"
  done <"$work/files"
  while IFS= read -r file; do
    mkdir -p "$to/$(dirname "$file")"
    mv -f "$work/$name/$file" "$to/$file"
  done <"$work/files"

  printf 'netlab %s is in %s/bin\n' "$version" "$to"
  case :$PATH: in
    *":$to/bin:"*) ;;
    *) printf "That is not in your PATH yet; for sh, bash and zsh: export PATH='%s/bin':\$PATH\n" "$to" ;;
  esac
  printf 'Next: netlab demo 3\n'
}

# At the very end: of a script that was cut short on its way nothing runs.
main
