# Targets that measure; included by the Makefile. See t/bench/bench for the knobs.

BENCH_PROGRAMS = $(BUILD)/t/bench/meter $(BUILD)/t/bench/peaks
bench_environment = BUILD='$(abspath $(BUILD))' REAL_DATA='$(abspath $(REAL_DATA))' REAL_MODELS='$(abspath $(REAL_MODELS))' \
 PUBLISH='$(PUBLISH)' $(foreach v,$(filter BENCH_%,$(.VARIABLES)),$(if $(filter BENCH_PROGRAMS,$(v)),,$(v)='$($(v))'))

# Always optimised, whatever CFLAGS says: what is measured is the machine.
$(BUILD)/t/bench/%: t/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(base_flags) $(CPPFLAGS) $(CFLAGS) -O3 -fno-math-errno -pthread $(LDFLAGS) -o $@ $< -lm

.PHONY: bench bench-peers bench-million
bench: all $(BENCH_PROGRAMS) ## measure speed and memory beside the peers that are installed (about 20 minutes)
	@$(bench_environment) t/bench/bench

bench-peers: ## make the peers' Python environment: PyTorch, ONNX Runtime, CTranslate2, tokenizers (pip, a few GB)
	@$(bench_environment) t/bench/make-peers

bench-million: all $(BENCH_PROGRAMS) ## a million rows through wp-tokenize | bert-infer: steady speed, bounded memory
	@$(bench_environment) t/bench/bench million

tests: $(BENCH_PROGRAMS)
