/* spin.h - how long OpenMP's threads wait actively for each other. */
#ifndef NN_CPU_SPIN_H
#define NN_CPU_SPIN_H

/* To be called first in main. libgomp lets a thread that waits for others spin for some milliseconds, which is as long
 * as the scheduler's slices: where another process wants a core, threads that wait keep the ones that work from
 * running, and a step of training took five times as long (2 cores, one more process). After a quarter of a millisecond
 * of spinning it takes twice as long, as it should, and on quiet cores nothing changes. libgomp reads the number from
 * the environment when it is loaded, so this starts the program once more with it, unless OMP_WAIT_POLICY or
 * GOMP_SPINCOUNT is set, or there is one thread only. argv: main's. */
void cpu_limit_spinning(char **argv);

#endif
