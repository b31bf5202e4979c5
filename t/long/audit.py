"""What the local server has been asked (t/helper/teacher-server --log) against what groq-reason has written."""
import json


def read_log(path):
    """Requests by sentence, each a dict with n, at, attempt, status, fault and, where a reply went out, replied."""
    by_number, by_sentence = {}, {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            entry = json.loads(line)
            if "replied" in entry:
                by_number[entry["n"]]["replied"] = entry["replied"]
            else:
                by_number[entry["n"]] = entry
                by_sentence.setdefault(entry["sentence"], []).append(entry)
    return by_sentence


def is_good(request):
    return request["status"] == 200 and not request["fault"]


def read_rows(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def audit_rows(given, written, recorded=True):
    """Complaints: rows lost, doubled, out of place, changed, or with an answer that is not the recorded one."""
    complaints = []
    if len(given) != len(written):
        complaints.append("%d rows in, %d out" % (len(given), len(written)))
    for number, (a, b) in enumerate(zip(given, written), 1):
        teacher = b.pop("teacher", {})
        expected = a.pop("teacher", {})
        if a != b:
            complaints.append("row %d is not the one that was given" % number)
        elif teacher.get("status") != "ok":
            complaints.append("row %d: %s" % (number, json.dumps(teacher)))
        elif recorded:
            differing = [k for k in ("reasoning", "label", "label_text", "confidence")
                         if teacher.get(k) != expected.get(k)]
            if not all(any(e in cue for e in expected.get("cues", [])) for cue in teacher.get("cues", [])):
                differing.append("cues")  # they are widened to whole words, or left out
            if differing:
                complaints.append("row %d: not the recorded %s" % (number, ", ".join(differing)))
    return complaints
