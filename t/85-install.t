#!/bin/sh
# make install puts everything below DESTDIR, the installed tools run, and make uninstall leaves nothing of ours.
. "$(dirname "$0")/lib.sh"

tools=
for tool in sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score distil-report; do
    [ -x "$BUILD/bin/$tool" ] && tools="$tools $tool"
done
[ -n "$tools" ] || skip_all "no tool is built"

install="$root/contrib/install"
dest="$PWD/a folder/root"
files() {
    (cd "$dest" && find . ! -type d | sort)
}

mkdir -p completions/bash completions/zsh completions/fish
ln -s "$BUILD/bin" bin
for tool in $tools; do
    for shell in bash zsh fish; do
        "$tool" --completions $shell >"completions/$shell/$tool"
    done
done
here=$PWD

is_rc 0 "install" -- env BUILD="$here" TOOLS="$tools" "$install" "$dest" /usr/local
cat out err >said
is "$(cat said)" "installed to $dest/usr/local" "it says where, and nothing else"
files >installed
for tool in $tools; do
    is "$("$dest/usr/local/bin/$tool" --version)" "$("$BUILD/bin/$tool" --version)" "$tool runs from there"
    for file in bin/$tool share/bash-completion/completions/$tool share/zsh/site-functions/_$tool \
        share/fish/vendor_completions.d/$tool.fish; do
        is "$(grep -cx "./usr/local/$file" installed)" 1 "$file is there"
    done
    ok "$([ -s "$dest/usr/local/share/man/man1/$tool.1" ]; echo $?)" "$tool's man page is there"
done
missing=
for script in "$root"/pipelines/*; do
    name=${script##*/}
    case $name in *.mk | experiment-* | arms.tsv) continue ;; esac
    [ -f "$script" ] || continue
    cmp -s "$script" "$dest/usr/local/share/distil/pipelines/$name" || missing="$missing $name"
    [ ! -x "$script" ] || [ -x "$dest/usr/local/share/distil/pipelines/$name" ] || missing="$missing $name(mode)"
done
is "$missing" "" "the pipelines are there, and can be run"
is "$(grep -v '^\./usr/local/' installed)" "" "nothing lies outside the prefix"
is "$(find "$dest" ! -type d ! -perm -644)" "" "all can read it"
is "$(grep -c '\.new$' installed)" 0 "nothing unfinished is left"

is_rc 0 "install again" -- env BUILD="$here" TOOLS="$tools" "$install" "$dest" /usr/local
files >again
same_bytes again installed "gives the same files"

echo other >"$dest/usr/local/bin/other"
is_rc 0 "uninstall" -- env TOOLS="$tools" "$install" --remove "$dest" /usr/local
is "$(files)" "./usr/local/bin/other" "leaves what is not ours, and nothing else"
ok "$([ ! -e "$dest/usr/local/share/distil" ]; echo $?)" "our own folder is gone"
is_rc 0 "uninstall again is no failure" -- env TOOLS="$tools" "$install" --remove "$dest" /usr/local

is_rc 2 "without arguments" -- "$install"
: >file
is_rc 1 "a prefix below a file" -- env BUILD="$here" TOOLS="$tools" "$install" "$here/file" /usr
is "$(tail -n 1 err)" "install: cannot make the folder $here/file/usr/bin" "names the folder"

if command -v make >/dev/null 2>&1; then
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$root" -n install DESTDIR=/d PREFIX=/p BUILD="$BUILD" >dry 2>&1
    like "$(cat dry)" "contrib/install '/d' '/p'" "make install passes DESTDIR and PREFIX"
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$root" -n uninstall DESTDIR=/d PREFIX=/p BUILD="$BUILD" >dry 2>&1
    like "$(cat dry)" "contrib/install --remove '/d' '/p'" "make uninstall, too"
else
    tap_skip "make install" "make is not here"
fi

done_testing
