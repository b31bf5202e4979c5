# distil - small Unix filters that distil a teacher's reasoning into a small BERT.
#
# Knobs (make VARIABLE=value):
#   CC, CFLAGS, CPPFLAGS, LDFLAGS   as usual; a change of any of them rebuilds
#   DEVELOPER=1                     more warnings, and warnings are errors
#   SANITIZE=address,undefined      sanitizer build (give it a BUILD of its own)
#   BUILD=build                     where everything built goes
#   ONEDNN=0                        without oneDNN, which is used where its headers are
#   PREFIX=/usr/local DESTDIR=      for install and uninstall
#   V=1                             show commands
#   REAL_DATA, REAL_MODELS          where the real data and encoders lie, for the tests that use them
#   JOBS=N                          tests at a time

PREFIX ?= /usr/local
BUILD ?= build
CFLAGS ?= -O2 -g
REAL_DATA ?= ../shared/data
REAL_MODELS ?= ../shared/models
JOBS ?= 2

bindir = $(PREFIX)/bin
mandir = $(PREFIX)/share/man
datadir = $(PREFIX)/share

TOOLS = sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score distil-report

# The rooms of common/ and what each tool is made of (a library before those that it uses).
ROOMS = base wire data text teacher score report nn bert
ROOMS_sst2-dump = data wire base
ROOMS_groq-reason = teacher wire base
ROOMS_wp-tokenize = text wire base
ROOMS_bert-train = bert nn score text wire base
ROOMS_bert-infer = bert nn score text wire base
ROOMS_sst2-score = score data wire base
ROOMS_distil-report = report score wire base

OPENBLAS_CFLAGS := $(shell pkg-config --cflags openblas 2>/dev/null)
OPENBLAS_LIBS := $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas)
# oneDNN is loaded at run time (see common/nn/cpu/onednn.h), so only its headers matter here.
ifneq ($(ONEDNN),0)
ONEDNN_CFLAGS := $(shell printf '\043include <oneapi/dnnl/dnnl.h>\nint v[DNNL_VERSION_MAJOR == 2 ? 1 : -1];\n' | \
                         $(CC) $(CPPFLAGS) -fsyntax-only -x c - 2>/dev/null && echo -DWITH_ONEDNN)
endif
LIBS_all = -lyajl -lmd -lm
LIBS_sst2-dump = -lcurl -larchive
LIBS_groq-reason = -lcurl
LIBS_wp-tokenize = -lutf8proc $(OPENMP)
LIBS_bert-train = $(OPENBLAS_LIBS) -lutf8proc $(OPENMP)
LIBS_bert-infer = $(OPENBLAS_LIBS) -lutf8proc $(OPENMP)
LIBS_unit = $(OPENBLAS_LIBS) -lcurl -larchive -lutf8proc $(OPENMP)

OPENMP = -fopenmp
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
           -Wformat=2 -Wpointer-arith -Wundef
ifeq ($(DEVELOPER),1)
WARNINGS += -Werror
endif
ifneq ($(SANITIZE),)
SANITIZER_FLAGS = -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

base_flags = -std=c17 -D_GNU_SOURCE -Icommon $(WARNINGS) $(SANITIZER_FLAGS)
# The numerical rooms: vectorised, with OpenMP; sums keep their order (no -ffast-math), so results do not depend on it.
# (clang warns of `omp simd` loops that it does not vectorise; gcc ignores the option.)
flags_nn = -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-pass-failed $(OPENMP) $(OPENBLAS_CFLAGS)
flags_bert = $(OPENMP)
flags_text = $(OPENMP)
flags_unit = $(OPENMP)
# Files named *_avx2.c, *_avx512.c and *_avx512vnni.c hold kernels that are chosen at run time.
flags_avx2 = -mavx2 -mfma -mf16c
flags_avx512 = -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma
flags_avx512vnni = $(flags_avx512) -mavx512vnni

ifneq ($(V),1)
quiet = @printf '  %-7s %s\n' $(1) $(2);
endif

objects_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
sources_of = $(sort $(wildcard common/$(1)/*.c common/$(1)/*/*.c))
room_objects = $(call objects_of,$(call sources_of,$(1)))
libraries_of = $(foreach room,$(1),$(BUILD)/lib/lib$(room).a)

UNIT_TESTS = $(patsubst t/unit/%.c,$(BUILD)/t/%.t,$(sort $(wildcard t/unit/*.c)))
HELPERS = $(patsubst t/helper/%.c,$(BUILD)/t/helper/%,$(sort $(filter-out t/helper/tap.c,$(wildcard t/helper/*.c))))
PRESENT_TOOLS = $(foreach tool,$(TOOLS),$(if $(wildcard bin/$(tool).c),$(tool)))
BINARIES = $(PRESENT_TOOLS:%=$(BUILD)/bin/%)
COMPLETIONS = $(foreach tool,$(PRESENT_TOOLS),$(foreach shell,bash zsh fish,$(BUILD)/completions/$(shell)/$(tool)))

.PHONY: all
all: $(BINARIES) ## build the tools (default)

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# ---- probes: each compiles and links a small program, once for each set of flags ----
PROBES = openmp openblas curl yajl archive utf8proc md
$(BUILD)/probes: $(BUILD)/flags contrib/probe
	@CC='$(CC)' CFLAGS='$(CPPFLAGS) $(CFLAGS) $(OPENBLAS_CFLAGS)' LDFLAGS='$(LDFLAGS)' OPENMP='$(OPENMP)' \
	 OPENBLAS='$(OPENBLAS_LIBS)' contrib/probe $(PROBES)
	@touch $@

# ---- a change of flags rebuilds ----
flags_now = $(CC) $(base_flags) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(OPENBLAS_CFLAGS) $(OPENBLAS_LIBS) $(OPENMP) $(ONEDNN_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(flags_now)' | cmp -s - $@ || echo '$(flags_now)' > $@
.PHONY: FORCE
FORCE:

# ---- objects, libraries, tools ----
room_flags = $(flags_$(word 2,$(subst /, ,$(1)))) $(if $(filter %_avx2,$(1)),$(flags_avx2)) \
             $(if $(filter %_avx512,$(1)),$(flags_avx512)) $(if $(filter %_avx512vnni,$(1)),$(flags_avx512vnni)) \
             $(if $(filter %onednn,$(1)),$(ONEDNN_CFLAGS))
$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/probes
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(base_flags) $(CPPFLAGS) $(CFLAGS) $(call room_flags,$*) -MMD -MP -c -o $@ $<

define room_rule
$(BUILD)/lib/lib$(1).a: $(call room_objects,$(1)) $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call quiet,AR,$$@)rm -f $$@ && $$(AR) rcs $$@ $(call room_objects,$(1))
endef
$(foreach room,$(ROOMS),$(eval $(call room_rule,$(room))))

define tool_rule
$(BUILD)/bin/$(1): $(BUILD)/obj/bin/$(1).o $(call libraries_of,$(ROOMS_$(1)))
	@mkdir -p $$(@D)
	$$(call quiet,LINK,$$@)$$(CC) $(SANITIZER_FLAGS) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $(LIBS_$(1)) $(LIBS_all)
endef
$(foreach tool,$(TOOLS),$(eval $(call tool_rule,$(tool))))

define completion_rule
$(BUILD)/completions/$(1)/%: $(BUILD)/bin/%
	@mkdir -p $$(@D)
	$$(call quiet,GEN,$$@)$$< --completions $(1) > $$@.tmp && mv $$@.tmp $$@
endef
$(foreach shell,bash zsh fish,$(eval $(call completion_rule,$(shell))))

# ---- tests ----
$(BUILD)/t/%.t: $(BUILD)/obj/t/unit/%.o $(BUILD)/obj/t/helper/tap.o $(call libraries_of,bert nn score teacher text data wire base)
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(SANITIZER_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS_unit) $(LIBS_all)
$(BUILD)/t/helper/%: $(BUILD)/obj/t/helper/%.o $(call libraries_of,bert nn score text wire base)
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(SANITIZER_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS_bert-train) $(LIBS_all)
$(BUILD)/t/helper/teacher-server: $(BUILD)/obj/t/helper/teacher-server.o $(call libraries_of,teacher wire base)
	@mkdir -p $(@D)
	$(call quiet,LINK,$@)$(CC) $(SANITIZER_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS_all)

.PHONY: setup tests check check-san check-oracle
setup: # what `make check` and `make demo` need on a fresh machine, if it is not there yet
	@contrib/deps --if-missing

tests: all $(UNIT_TESTS) $(HELPERS) $(COMPLETIONS)

check: setup ## run the tests
	@$(MAKE) --no-print-directory tests
	BUILD='$(abspath $(BUILD))' REAL_DATA='$(abspath $(REAL_DATA))' REAL_MODELS='$(abspath $(REAL_MODELS))' \
	 OMP_WAIT_POLICY=passive prove -j$(JOBS) $(PROVE_FLAGS) t/*.t $(UNIT_TESTS)

# Without oneDNN: the leak sanitizer crashes on the thread-local storage of a library that was loaded at run time.
check-san: ## run the tests in a sanitizer build
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/san ONEDNN=0 SANITIZE=address,undefined CFLAGS='-O1 -g' check

check-oracle: all ## compare live with Hugging Face (makes a Python environment)
	BUILD='$(abspath $(BUILD))' REAL_DATA='$(abspath $(REAL_DATA))' REAL_MODELS='$(abspath $(REAL_MODELS))' t/oracle/run

.PHONY: prove-restart
KILLS ?= 30
prove-restart: all ## kill training runs and see that they end in the same bytes (KILLS=30; minutes)
	BUILD='$(abspath $(BUILD))' t/long/kill-loop -n $(KILLS)

.PHONY: prove-teacher bench-teacher
teacher_environment = BUILD='$(abspath $(BUILD))' REAL_DATA='$(abspath $(REAL_DATA))'
prove-teacher: all $(HELPERS) ## kill labelling runs, mix faults in, limit them as Groq does: nothing is lost or doubled (minutes)
	$(teacher_environment) t/long/groq-kill-loop
	$(teacher_environment) t/long/replay
	$(teacher_environment) t/long/gate-figures
bench-teacher: all $(HELPERS) ## what groq-reason itself costs: rows a second, processor time a row
	$(teacher_environment) t/long/overhead

# ---- the house ----
.PHONY: deps demo install uninstall clean help
deps: ## install the packages that the build and the tests need (Debian, Ubuntu)
	@contrib/deps

include pipelines/experiment.mk
include pipelines/report.mk
include t/bench/bench.mk

install: all $(COMPLETIONS) ## install to $(DESTDIR)$(PREFIX)
	@BUILD='$(BUILD)' TOOLS='$(PRESENT_TOOLS)' contrib/install '$(DESTDIR)' '$(PREFIX)'
uninstall: ## remove what install put there
	@TOOLS='$(TOOLS)' contrib/install --remove '$(DESTDIR)' '$(PREFIX)'

clean: ## remove everything built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.* ## \(.*\)/  \1|\2/p' Makefile pipelines/experiment.mk pipelines/report.mk t/bench/bench.mk | column -t -s '|'
	@echo; sed -n 's/^#   \(.*\)/  \1/p' Makefile

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
