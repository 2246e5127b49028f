// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt lines of all groups, told to user space as the one interrupt of
 * a UIO device. It masks lines at the interrupt controller and touches no
 * register: what an interrupt is about is for its handler to read.
 */
#include <linux/interrupt.h>

#include "uio_etsec.h"

static const char *const line_names[ETSEC_LINES] = { "tx", "rx", "err" };

static unsigned int etsec_line_count(const struct etsec *etsec)
{
	return etsec->groups * ETSEC_LINES;
}

/*
 * Lines are levels: this one stays up until user space has acknowledged what is
 * behind it, so it is masked until user space asks for the next interrupt.
 */
static irqreturn_t etsec_interrupt(int irq, void *data)
{
	struct etsec_line *line = data;
	struct etsec *etsec = line->etsec;

	spin_lock(&etsec->irq_lock);
	line->count++;
	if (line->armed) {
		line->armed = false;
		disable_irq_nosync(irq);
	}
	spin_unlock(&etsec->irq_lock);

	uio_event_notify(&etsec->info);
	return IRQ_HANDLED;
}

int etsec_add_line(struct etsec *etsec, unsigned int group, unsigned int line,
		   int irq)
{
	struct etsec_line *at = &etsec->lines[group * ETSEC_LINES + line];

	at->etsec = etsec;
	at->irq = irq;
	at->name = devm_kasprintf(etsec->dev, GFP_KERNEL, "%s-%s%u",
				  etsec->info.name, line_names[line], group);
	return at->name ? 0 : -ENOMEM;
}

/**
 * etsec_request_lines - take the lines, masked
 * @etsec:	the controller
 *
 * Return: 0, or a negative error code.
 */
int etsec_request_lines(struct etsec *etsec)
{
	unsigned int i;
	int ret;

	for (i = 0; i < etsec_line_count(etsec); i++) {
		struct etsec_line *line = &etsec->lines[i];

		ret = devm_request_irq(etsec->dev, line->irq, etsec_interrupt,
				       IRQF_NO_AUTOEN, line->name, line);
		if (ret)
			return dev_err_probe(etsec->dev, ret, "interrupt %s\n",
					     line->name);
	}
	return 0;
}

/**
 * etsec_irqcontrol - what user space writes to the device file
 * @info:	the UIO device
 * @on:		not 0: let every line through that is masked; 0: mask all
 *
 * Return: 0, or -EINVAL as of any device that is no more
 */
int etsec_irqcontrol(struct uio_info *info, s32 on)
{
	struct etsec *etsec = info->priv;
	unsigned long flags;
	unsigned int i;
	int ret = 0;

	spin_lock_irqsave(&etsec->irq_lock, flags);
	if (on && etsec->gone) {
		ret = -EINVAL;
		goto out;
	}
	for (i = 0; i < etsec_line_count(etsec); i++) {
		struct etsec_line *line = &etsec->lines[i];

		if (line->armed == !!on)
			continue;
		line->armed = !!on;
		if (on)
			enable_irq(line->irq);
		else
			disable_irq_nosync(line->irq);
	}
out:
	spin_unlock_irqrestore(&etsec->irq_lock, flags);
	return ret;
}

/* Masks all lines, and waits until no handler runs. */
void etsec_disarm(struct etsec *etsec)
{
	unsigned int i;

	etsec_irqcontrol(&etsec->info, 0);
	for (i = 0; i < etsec_line_count(etsec); i++)
		synchronize_irq(etsec->lines[i].irq);
}

/* Which line, in an attribute of its count. */
struct line_attribute {
	struct device_attribute attr;
	unsigned int line;
};

#define to_line_attribute(a) \
	container_of(a, struct line_attribute, attr.attr)

static ssize_t count_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	unsigned int line = to_line_attribute(&attr->attr)->line;
	struct etsec *etsec = dev_get_drvdata(dev);
	u64 count;

	spin_lock_irq(&etsec->irq_lock);
	count = etsec->lines[line].count;
	spin_unlock_irq(&etsec->irq_lock);
	return sysfs_emit(buf, "%llu\n", count);
}

#define LINE_ATTRIBUTE(_name, _line)					\
	static struct line_attribute attr_##_name = {			\
		.attr = __ATTR(_name, 0444, count_show, NULL),		\
		.line = _line,						\
	}

LINE_ATTRIBUTE(tx0, 0);
LINE_ATTRIBUTE(rx0, 1);
LINE_ATTRIBUTE(err0, 2);
LINE_ATTRIBUTE(tx1, 3);
LINE_ATTRIBUTE(rx1, 4);
LINE_ATTRIBUTE(err1, 5);

static struct attribute *line_attributes[] = {
	&attr_tx0.attr.attr,
	&attr_rx0.attr.attr,
	&attr_err0.attr.attr,
	&attr_tx1.attr.attr,
	&attr_rx1.attr.attr,
	&attr_err1.attr.attr,
	NULL
};

static umode_t line_is_visible(struct kobject *kobj, struct attribute *attr,
			       int index)
{
	struct etsec *etsec = dev_get_drvdata(kobj_to_dev(kobj));

	if (to_line_attribute(attr)->line >= etsec_line_count(etsec))
		return 0;
	return attr->mode;
}

const struct attribute_group etsec_lines_group = {
	.name = "interrupts",
	.attrs = line_attributes,
	.is_visible = line_is_visible,
};
