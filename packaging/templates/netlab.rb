class Netlab < Formula
  desc "Learn and prove how Linux networking isolates containers"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "qemu"

  on_macos do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/netlab-@VERSION@-aarch64-apple-darwin.tar.gz"
      sha256 "@SHA256 aarch64-apple-darwin@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/netlab-@VERSION@-x86_64-apple-darwin.tar.gz"
      sha256 "@SHA256 x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/netlab-@VERSION@-aarch64-unknown-linux-gnu.tar.gz"
      sha256 "@SHA256 aarch64-unknown-linux-gnu@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/netlab-@VERSION@-x86_64-unknown-linux-gnu.tar.gz"
      sha256 "@SHA256 x86_64-unknown-linux-gnu@"
    end
  end

  def install
    bin.install "bin/netlab"
    man1.install Dir["share/man/man1/*"]
    bash_completion.install "share/bash-completion/completions/netlab"
    zsh_completion.install "share/zsh/site-functions/_netlab"
    fish_completion.install "share/fish/vendor_completions.d/netlab.fish"
    doc.install Dir["share/doc/netlab/*"]
  end

  test do
    assert_equal "netlab #{version}", shell_output("#{bin}/netlab --version").chomp
    assert_match "netlab demo 3", shell_output("#{bin}/netlab list")
  end
end
