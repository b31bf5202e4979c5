/* reply.h - inside the asker: what becomes of a question when a reply to it has come. */
#ifndef TEACHER_REPLY_H
#define TEACHER_REPLY_H

#include "teacher/asker.h"

/* Ends the question, or queues it again, or ends the run. */
void reply_take(struct asker *asker, struct question *question, const struct http_reply *reply);

/* Of asker.c: queues a question for the moment `due` (0: now), `again` before those that were never asked. */
void asker_queue(struct asker *asker, struct question *question, double due, bool again);
/* The budget that its next request may have, after so many doublings. */
long asker_budget(const struct asker *asker, const struct question *question, unsigned longer);
/* Takes it out of the table of open questions. */
void asker_forget(struct asker *asker, struct question *question);

#endif
