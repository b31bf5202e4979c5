# Targets that run the whole pipe; included by the Makefile.

demo: setup ## the whole pipe on the self-made corpus: no network, no key (SENTENCE="..." is classified)
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' pipelines/demo $${SENTENCE:+-- "$$SENTENCE"}
