#!/bin/sh
# bert-train --control: every choice with a term that it controls, that metrics name it, that no result depends on how the
# rows came, and what is refused. What each does to the rows is t/unit/controls.c's.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
for program in bin/wp-tokenize bin/bert-train; do
    [ -x "$BUILD/$program" ] || skip_all "${program##*/} is not built"
done

{
    cat "$TESTDATA/demo/vocab.txt"
    for word in the sentence is negative positive; do
        grep -qx "$word" "$TESTDATA/demo/vocab.txt" || echo "$word"
    done
} >vocab.txt
head -n 80 "$TESTDATA/mini/teacher.ndjson" >rows.ndjson
sed -n 81,200p "$TESTDATA/mini/teacher.ndjson" >more.ndjson
sed 's/,"teacher":{.*/}/' rows.ndjson >bare.ndjson
sed 's/,"cues":\[[^]]*\],"cue_polarity":\[[^]]*\]//' rows.ndjson >nocues.ndjson
for name in rows more bare nocues; do
    wp-tokenize -q -m vocab.txt $name.ndjson >$name.tokens
done
wp-tokenize -q -m vocab.txt --frame-rows 7 rows.ndjson >frames.tokens

# train NAME OBJECTIVE ARGUMENT...: a model NAME and NAME.metrics
train() {
    name=$1 objective=$2
    shift 2
    bert-train -q -f --init tiny --vocab vocab.txt -o "$name" --objective "$objective" --max-steps 2 --batch-size 8 \
        --log-steps 1 --metrics "$name.metrics" "$@"
}
losses() {
    sed -n 's/.*"event":"step".*"loss":\([^,]*\),.*/\1/p' "$1.metrics" | tr '\n' ' '
}
# controls OBJECTIVE CONTROL...
controls() {
    objective=$1
    shift
    train plain "$objective" rows.tokens
    for control; do
        more=
        case $control in edits-more-rows | edits-other-rows) more="--unlabelled more.tokens" ;; esac
        # shellcheck disable=SC2086
        is_rc 0 "$objective: $control" -- train changed "$objective" --control "$control" $more rows.tokens
        like "$(head -n 1 changed.metrics)" "\"control\":\"$control\"" "$control: the metrics tell"
        is "$([ "$(losses changed)" != "$(losses plain)" ] && echo another)" another "$control: another loss"
    done
}

controls label,rationale-text reason-shuffled reason-shuffled-class reason-tokens-shuffled reason-training-text \
    reason-label-sentence reason-sentence
controls label,counterfactual edits-shuffled edits-other-rows edits-more-rows edits-repeat
controls label,cue-text cues-random cues-shuffled-polarity cues-all-words
controls label,soft soft-smoothing
is "$(bert-train --help | grep -A 8 -e --control | grep -o 'reason-[a-z-]*\|edits-[a-z-]*\|cues-[a-z-]*\|soft-[a-z-]*' |
    wc -l | tr -d ' ')" 14 "these are all"

# ---- several at once ----
train edits label,counterfactual,cue-text --control edits-repeat rows.tokens
train both label,counterfactual,cue-text --control edits-repeat,cues-shuffled-polarity rows.tokens
like "$(head -n 1 both.metrics)" '"control":"edits-repeat,cues-shuffled-polarity"' "two controls: the metrics tell"
is "$([ "$(losses both)" != "$(losses edits)" ] && echo another)" another "both are at work"
is_rc 1 "the second fails" -- train refused label,counterfactual --control edits-repeat,cues-random nocues.tokens
like "$(cat err)" "--control cues-random: no row has cues" "it is named"

# ---- the seed decides, and nothing else ----
objective=label,rationale-text,counterfactual
train one "$objective" --control reason-training-text rows.tokens
train two "$objective" --control reason-training-text --threads 2 frames.tokens
same_bytes one/model.safetensors two/model.safetensors "frames of other sizes and another thread: the same model"

# ---- the computation alone ----
is_rc 0 "label,rdrop" -- train changed label,rdrop=0.5 rows.tokens
train plain label rows.tokens
is "$([ "$(losses changed)" != "$(losses plain)" ] && echo another)" another "rdrop: another loss"

# ---- refused ----
is_rc 2 "a control that is none" -- train refused label --control shuffled rows.tokens
like "$(cat err)" "--control" "names the option"
is_rc 2 "one of two that is none" -- train refused label --control cues-random,edits rows.tokens
like "$(cat err)" "--control must be some of .* or soft-smoothing, not 'edits'" "is named"
is_rc 2 "edits-more-rows without further rows" -- train refused label,counterfactual --control edits-more-rows rows.tokens
like "$(cat err)" "rows.tokens: --control edits-more-rows: .* --unlabelled FILE" "says where they come from"
is_rc 1 "rows without a teacher" -- train refused label --control reason-shuffled bare.tokens
like "$(cat err)" "bare.tokens: --control reason-shuffled: no row has a reasoning .*; run groq-reason" "says what to do"
is "$([ -e refused ] && echo there)" "" "no model was written"

done_testing
