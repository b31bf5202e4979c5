# The report of an experiment; included by the Makefile.
REPORT ?= $(BUILD)/report
.PHONY: report
report: all ## write the report of EXPERIMENT as Markdown and one HTML page into REPORT
	@'$(BUILD)/bin/distil-report' -o '$(REPORT)' $(REPORT_OPTIONS) '$(EXPERIMENT)'
