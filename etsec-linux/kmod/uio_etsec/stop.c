// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ending the DMA of a controller that nobody looks after any more. It knows the
 * few registers that takes, and nothing of rings or frames.
 */
#include <linux/delay.h>
#include <linux/iopoll.h>

#include "uio_etsec.h"

#define TSEC_ID			0x000
#define IEVENT			0x010
#define IMASK			0x014
#define DMACTRL			0x02c
#define MACCFG1			0x500

/* IEVENT: graceful stops are complete (HW 3.2) */
#define IEVENT_GTSC		0x02000000
#define IEVENT_GRSC		0x00000100
/* DMACTRL: graceful stops are asked for (HW 3.4) */
#define DMACTRL_GRS		0x00000010
#define DMACTRL_GTS		0x00000008
/* MACCFG1 (HW 3.14) */
#define MACCFG1_SOFT_RESET	0x80000000
#define MACCFG1_RX_EN		0x00000004
#define MACCFG1_TX_EN		0x00000001

/*
 * A stop waits for the frame under way in each direction: 9.6 kB at 10 Mb/s take
 * 8 ms. One that is not complete by then, because of a pause frame of the link
 * partner's perhaps, is not waited for (HW 8.3).
 */
#define STOP_US			20000
#define POLL_US			10
/* Three transmit clocks at 10 Mb/s take 1.2 us (HW 8). */
#define RESET_US		10

/* Whether both directions have come to rest between two frames (HW 8.3). */
static bool etsec_stop_gracefully(void __iomem *regs)
{
	const u32 done = IEVENT_GRSC | IEVENT_GTSC;
	u32 control = ioread32be(regs + DMACTRL) & ~(DMACTRL_GRS | DMACTRL_GTS);
	u32 events;

	iowrite32be(done, regs + IEVENT);
	/* It is the edge that asks; a stop may have been asked for before. */
	iowrite32be(control, regs + DMACTRL);
	iowrite32be(control | DMACTRL_GRS | DMACTRL_GTS, regs + DMACTRL);
	return !read_poll_timeout(ioread32be, events, (events & done) == done,
				  POLL_US, STOP_US, false, regs + IEVENT);
}

static void etsec_reset(void __iomem *regs)
{
	iowrite32be(MACCFG1_SOFT_RESET, regs + MACCFG1);
	/* The read sees to it that the write has arrived. */
	ioread32be(regs + MACCFG1);
	usleep_range(RESET_US, 2 * RESET_US);
	iowrite32be(0, regs + MACCFG1);
	ioread32be(regs + MACCFG1);
	usleep_range(RESET_US, 2 * RESET_US);
}

/**
 * etsec_stop - end DMA and interrupts of the controller
 * @etsec:	the controller
 *
 * Nobody else may use it. Afterwards both graceful stops are asked for and the
 * MAC is off in both directions, which is how a driver finds and leaves it.
 *
 * Return: 0, or -EIO if nothing answers where its registers should be; whether
 * it has stopped is not known then.
 */
int etsec_stop(struct etsec *etsec)
{
	void __iomem *regs = etsec->regs[0];
	unsigned int group;
	bool graceful;
	u32 config;

	if (ioread32be(regs + TSEC_ID) == ~0u) {
		dev_err(etsec->dev, "the controller does not answer\n");
		return -EIO;
	}
	for (group = 0; group < etsec->groups; group++)
		iowrite32be(0, etsec->regs[group] + IMASK);

	graceful = etsec_stop_gracefully(regs);
	config = ioread32be(regs + MACCFG1) & ~(MACCFG1_RX_EN | MACCFG1_TX_EN);
	iowrite32be(config, regs + MACCFG1);
	if (!graceful) {
		dev_warn(etsec->dev, "no graceful stop within %d ms: reset\n",
			 STOP_US / 1000);
		etsec_reset(regs);
	}

	for (group = 0; group < etsec->groups; group++)
		iowrite32be(~0u, etsec->regs[group] + IEVENT);
	return 0;
}
