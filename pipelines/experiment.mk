# Targets that run the whole pipe; included by the Makefile.

demo: setup ## the whole pipe on the self-made corpus: no network, no key (SENTENCE="..." is classified)
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' pipelines/demo $${SENTENCE:+-- "$$SENTENCE"}

# ---- the experiment ----
# What is the reasoning worth? Cells are track x size x arm x seed, each a folder EXPERIMENT/cells/TRACK-SIZE/ARM/SEED with
# its options, metrics, predictions and scores; a cell that is done is not run again. In one (track, size, seed) all arms
# have the same rows, the same order of rows, the same initial weights and the same number of steps.
#
# Tracks: A  gold labels, and the teacher, on SIZE rows
#         C  gold labels on SIZE rows, the teacher's on the rest of the pool
#         T  the teacher's labels on SIZE rows, no gold label at all
# In arms.tsv @TRAIN@ are these rows, @MORE@ the next SIZE of the pool with the teacher's answers alone, @OTHERS@ the same
# where enough of them are edited, @DOUBLE@ both @TRAIN@ and @MORE@, @UNLABELLED@ text that nobody labelled; @STEPS@,
# @TWICE@, @FOURFOLD@, @BATCH@ and @TWICE_BATCH@ are numbers. A cell whose rows there are not, such as further ones in
# track C, where the run has the whole pool already, says so and is left out; the report lists it as not run.
# Validation rows and their phrases are in no training row of any kind. Sets of TESTS are looked at by the cells that name
# them; without TESTS a cell sees validation rows alone.
EXPERIMENT ?= $(BUILD)/experiment
DATA ?= ../shared/data/SST-2
TREES ?= ../shared/data/sst-trees
IMDB ?= ../shared/data/imdb/test.tsv.xz
CONTRAST ?= testdata/contrast/pairs.ndjson
TEACHER ?= ../shared/data/teacher/sst2-train-2400.ndjson
EDITS ?= ../shared/data/teacher/sst2-train-edits.ndjson
ENCODER ?= ../shared/models/all-MiniLM-L6-v2
ARMS ?= $(shell awk -F '\t' '!/^\#/ { print $$1 }' pipelines/arms.tsv)
TRACKS ?= A T
SIZES ?= 240
SEEDS ?= 1 2 3
TESTS ?=
STEPS ?= 300
BATCH ?= 16
RATE ?= 5e-5
PRECISION ?= bf16
WEIGHTS ?= bf16
HOLDOUT ?= 0.05
VALIDATION_ROWS ?= 500
POOL_SEED ?= 7
UNLABELLED_ROWS ?= 20000
KEEP_MODELS ?=
# Sets whose predictions also tell the words that carried them; about a third of a second a row.
ATTRIBUTION ?=
EXPERIMENT_VARIABLES = DATA TREES IMDB CONTRAST TEACHER EDITS ENCODER STEPS BATCH RATE PRECISION WEIGHTS HOLDOUT \
    VALIDATION_ROWS POOL_SEED UNLABELLED_ROWS TESTS ATTRIBUTION
in_experiment = BUILD='$(abspath $(BUILD))' KEEP_MODELS='$(KEEP_MODELS)' VARIABLES='$(strip $(EXPERIMENT_VARIABLES))' \
    $(foreach v,$(EXPERIMENT_VARIABLES),$(v)='$($(v))') nice

EXPERIMENT_CELLS := $(foreach t,$(TRACKS),$(foreach n,$(SIZES),$(foreach a,$(ARMS),$(foreach s,$(SEEDS),\
    $(EXPERIMENT)/cells/$t-$n/$a/$s/done))))
ifneq ($(filter experiment,$(MAKECMDGOALS)),)
ifneq ($(words $(EXPERIMENT)),1)
$(error EXPERIMENT is '$(EXPERIMENT)'; make cannot work with blanks in file names, choose a folder without)
endif
endif
.PHONY: experiment
experiment: $(EXPERIMENT_CELLS) ## train and judge ARMS x TRACKS x SIZES x SEEDS (-j N; needs SST-2, a teacher's answers, an encoder)

# Looked at in every run: what is there must go with what is to be made.
.PHONY: experiment-about
experiment-about: | all
	@$(in_experiment) pipelines/experiment-about '$(EXPERIMENT)'
$(EXPERIMENT)/data/shared: | experiment-about
	@$(in_experiment) pipelines/experiment-data '$(EXPERIMENT)'

define experiment_rows
$(EXPERIMENT)/data/$1-$2-$3: | $(EXPERIMENT)/data/shared
	@$$(in_experiment) pipelines/experiment-data '$(EXPERIMENT)' $1 $2 $3
$(foreach a,$(ARMS),$(EXPERIMENT)/cells/$1-$2/$a/$3/done): $(EXPERIMENT)/cells/$1-$2/%/$3/done: | $(EXPERIMENT)/data/$1-$2-$3
	@echo "  CELL    $1-$2 $$* $3"
	@$$(in_experiment) pipelines/experiment-cell '$(EXPERIMENT)' $1 $2 '$$*' $3
endef
$(foreach t,$(TRACKS),$(foreach n,$(SIZES),$(foreach s,$(SEEDS),$(eval $(call experiment_rows,$t,$n,$s)))))
