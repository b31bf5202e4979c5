#!/bin/sh
# The bench runs and its table is complete. No figure is looked at: it is a smoke run, a few rows and no peers.
. "$(dirname "$0")/lib.sh"

for program in bin/wp-tokenize bin/bert-train bin/bert-infer t/bench/meter t/bench/peaks; do
    [ -x "$BUILD/$program" ] || skip_all "$program is not built"
done

# The bench writes below $BUILD/bench; a build folder of links keeps the user's own cells.
mkdir -p small/t
ln -s "$BUILD/bin" small/bin
ln -s "$BUILD/t/bench" small/t/bench
bench() {
    env BUILD="$PWD/small" REAL_DATA=/nonexistent OMP_NUM_THREADS=1 BENCH_THREADS=1 BENCH_QUICK=1 BENCH_PEERS=0 "$@" \
        "$root/t/bench/bench"
}

is_rc 0 "a smoke run" -- bench BENCH_STUDENTS=
table=small/bench/quick/table.md
for section in "Tokenising" "Training" "Inference, batches" "One row of 25 pieces" "Start to first label" \
    "Peak resident memory" "Scaling over threads" "Scaling over rows" "The machine, measured" "Every program"; do
    grep -q "^### $section" "$table"
    ok $? "the table has a section: $section"
done
for line in '| SST-2, 1 thread | MB/s | [0-9]' '| tiny f32 | sentences/s | [0-9]' '| tiny f32 | ms | [0-9]' \
    '| tiny | ms | [0-9]' '| training tiny f32 | MiB | [0-9]' '| rows/s | [0-9]' '| fp32 multiply-adds'; do
    grep -q "^$line" "$table"
    ok $? "it has a figure: $line"
done
! grep -q 'failed' "$table"
ok $? "nothing failed"
python3 -c 'import json, sys
sys.exit(not all(c["runs"] for c in json.load(open(sys.argv[1]))["cells"].values()))' small/bench/quick/results.json
ok $? "every group of cells has runs"
if command -v gnuplot >/dev/null 2>&1 && [ -e small/bench/quick/bench.svg ]; then
    grep -q '</svg>' small/bench/quick/bench.svg
    ok $? "the plot is whole"
fi

# Interrupted and started again: the cells that are there are not measured again.
rm small/bench/quick/cells/start-tiny.json
is_rc 0 "a second run" -- bench BENCH_PARTS="start infer"
is "$(grep -c '^bench: infer-tiny: ours f32: ' err) $(grep -c '^bench: start-tiny: ours f32: ' err)" "0 1" \
    "it measures what is missing, and no more"
mv small/bin bin.old
mkdir small/bin
for tool in wp-tokenize bert-train; do ln -s "$BUILD/bin/$tool" small/bin/$tool; done
cat >small/bin/bert-infer <<EOF
#!/bin/sh
case \$1 in --help) exec "$BUILD/bin/bert-infer" --help ;; esac
echo "bert-infer: no" >&2
exit 1
EOF
chmod +x small/bin/bert-infer
is_rc 1 "a tool that fails" -- bench BENCH_PARTS="start tokenise"
grep -q '^| start-tiny | ours f32 | \*\*failed\*\* .*bert-infer: no' small/bench/quick/table.md
ok $? "it is shown with its reason"
grep -q '^| SST-2, 1 thread | MB/s | [0-9]' small/bench/quick/table.md
ok $? "the others have their figures"

is_rc 2 "another word than million" -- env BUILD="$PWD/small" "$root/t/bench/bench" billion
done_testing
